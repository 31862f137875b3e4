import { data, Form, Link, redirect } from 'react-router'
import { sessionContext } from '../sessions.server.ts'
import type { Route } from './+types/home.ts'

export function loader({ context }: Route.LoaderArgs) {
  const session = context.get(sessionContext)
  return { user: session.userId, csrfToken: session.csrfToken() }
}

// snippet: login
export async function action({ context, request }: Route.ActionArgs) {
  const session = context.get(sessionContext)
  const form = await request.formData()
  const name = String(form.get('name'))
  if (form.get('password') !== 'correct horse') {
    session.loginFailed(name, 'password')
    return data({ wrong: true }, { status: 422 })
  }
  session.authenticate(name)
  return redirect('/account')
}
// /snippet

export default function Home({ loaderData: { user, csrfToken }, actionData }: Route.ComponentProps) {
  if (user) return <Link to="/account">{user}</Link>
  return (
    <Form method="post">
      {actionData?.wrong && <p role="alert">Wrong name or password.</p>}
      <input type="hidden" name="csrf_token" value={csrfToken} />
      <label>
        Name <input name="name" autoComplete="username" />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" />
      </label>
      <button type="submit">Log in</button>
    </Form>
  )
}
