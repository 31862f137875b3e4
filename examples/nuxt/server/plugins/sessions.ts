// snippet: plugin
import { protect } from 'holdfast/nuxt'
import { sessions } from '../utils/sessions'

export default protect(sessions)
// /snippet
