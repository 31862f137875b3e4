import { protect } from 'holdfast/nuxt'
import { siteOfProcess } from '../../site.js'

export default protect(siteOfProcess().sessions)
