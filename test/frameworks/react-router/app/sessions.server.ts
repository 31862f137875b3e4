import { createContext } from 'react-router'
import { siteOfProcess } from '../site.js'

export const site = siteOfProcess()
export const sessionContext = createContext()
