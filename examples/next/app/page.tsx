import { getSession } from 'holdfast/next'
import Link from 'next/link'
import { sessions } from '../lib/sessions'
import { login } from './actions'

export default async function Home({ searchParams }: { searchParams: Promise<{ wrong?: string }> }) {
  const session = await getSession(sessions)
  if (session.userId !== null) return <Link href="/account">{session.userId}</Link>
  const { wrong } = await searchParams
  return (
    <form action={login}>
      {wrong !== undefined && <p role="alert">Wrong name or password.</p>}
      <input type="hidden" name="csrf_token" value={session.csrfToken()} />
      <label>
        Name <input name="name" autoComplete="username" />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" />
      </label>
      <button type="submit">Log in</button>
    </form>
  )
}
