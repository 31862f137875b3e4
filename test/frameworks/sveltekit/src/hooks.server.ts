import { answerErrors, protect } from 'holdfast/sveltekit'
import { siteOfProcess } from '../site.js'

export const handle = protect(siteOfProcess().sessions)
export const handleError = answerErrors(() => {})
