import { getSession } from 'holdfast/next'
import { redirect } from 'next/navigation'
import { sessions } from '../../lib/sessions'
import { logout, visit } from '../actions'

// snippet: page
export default async function Account() {
  const session = await getSession(sessions)
  if (session.userId === null) redirect('/')
  // /snippet
  return (
    <>
      <h1>Hello {session.userId}</h1>
      <p id="visits">{session.get('visits') ?? 0}</p>
      <form action={visit}>
        <button type="submit">Count</button>
      </form>
      <form action={logout}>
        <button type="submit">Log out</button>
      </form>
    </>
  )
}
