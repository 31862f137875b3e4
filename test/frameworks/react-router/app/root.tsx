import { protect } from 'holdfast/react-router'
import { Outlet } from 'react-router'
import { sessionContext, site } from './sessions.server.ts'

export const middleware = [protect(site.sessions, { context: sessionContext })]

export default function App() {
  return <Outlet />
}
