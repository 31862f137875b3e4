import { protect } from 'holdfast/next'
import { sessions } from '../../../lib/sessions'

export const GET = protect(sessions, (_request, session) => Response.json({ user: session.userId }))
