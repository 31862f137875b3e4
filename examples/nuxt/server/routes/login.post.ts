// snippet: login
export default defineEventHandler(async (event) => {
  const { session } = event.context
  const { name, password } = await readBody<{ name: string; password: string }>(event)
  if (password !== 'correct horse') {
    session.loginFailed(name, 'password')
    return sendRedirect(event, '/?wrong', 303)
  }
  session.authenticate(name)
  return sendRedirect(event, '/account', 303)
})
// /snippet
