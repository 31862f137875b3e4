// snippet: hooks
import { answerErrors, protect } from 'holdfast/sveltekit'
import { sessions } from '#lib/server/sessions.ts'

export const handle = protect(sessions)
export const handleError = answerErrors()
// /snippet
