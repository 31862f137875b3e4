export default defineEventHandler((event) => {
  const { session } = event.context
  session.require()
  session.update('visits', (visits = 0) => visits + 1)
  return sendRedirect(event, '/account', 303)
})
