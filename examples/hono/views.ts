/** The pages of the example. */

import { csrfField } from 'holdfast/html'

type PageSession = Parameters<typeof csrfField>[0] & { readonly userId: string | null }

/** The home page: who is logged in, and a form to log out; or one to log in. */
export function home(session: PageSession, message = ''): string {
  return session.userId === null
    ? page(`<p role="alert">${message}</p>
      <form method="post" action="/login">
        ${csrfField(session)}
        <label>Name <input name="username" autocomplete="username" required></label>
        <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
        <button>Log in</button>
      </form>`)
    : page(`<p>Hello, ${session.userId}.</p>
      <form method="post" action="/logout">${csrfField(session)}<button>Log out</button></form>`)
}

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Holdfast</title>
  </head>
  <body>
    <main>
      ${content}
    </main>
  </body>
</html>
`
}
