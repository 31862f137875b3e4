import { sessionContext } from '../sessions.server.ts'
import type { Route } from './+types/me.ts'

export function loader({ context }: Route.LoaderArgs) {
  return Response.json({ user: context.get(sessionContext).userId })
}
