export default defineEventHandler((event) => {
  event.context.session.terminate()
  return sendRedirect(event, '/', 303)
})
