export default defineEventHandler((event) => ({ user: event.context.session.userId }))
