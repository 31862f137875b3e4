import { Form, redirect } from 'react-router'
import { sessionContext } from '../sessions.server.ts'
import type { Route } from './+types/account.ts'

export function loader({ context }: Route.LoaderArgs) {
  const session = context.get(sessionContext)
  if (session.userId === null) throw redirect('/')
  return { user: session.userId, visits: session.get('visits') ?? 0 }
}

export async function action({ context, request }: Route.ActionArgs) {
  const session = context.get(sessionContext)
  session.require()
  const form = await request.formData()
  if (form.get('intent') === 'logout') {
    session.terminate()
    return redirect('/')
  }
  session.update('visits', (visits = 0) => visits + 1)
  return null
}

export default function Account({ loaderData: { user, visits } }: Route.ComponentProps) {
  return (
    <Form method="post">
      <h1>Hello {user}</h1>
      <p id="visits">{visits}</p>
      <button type="submit" name="intent" value="visit">
        Count
      </button>
      <button type="submit" name="intent" value="logout">
        Log out
      </button>
    </Form>
  )
}
