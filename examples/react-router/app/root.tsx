import { protect } from 'holdfast/react-router'
import { Links, Meta, Outlet, Scripts } from 'react-router'
import type { Route } from './+types/root.ts'
import { sessionContext, sessions } from './sessions.server.ts'

// snippet: middleware
export const middleware: Route.MiddlewareFunction[] = [protect(sessions, { context: sessionContext })]
// /snippet

export default function App() {
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <title>Holdfast and React Router</title>
        <Meta />
        <Links />
      </head>
      <body>
        <Outlet />
        <Scripts />
      </body>
    </html>
  )
}
