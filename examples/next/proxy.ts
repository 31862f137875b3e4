import { protectProxy } from 'holdfast/next'
import { sessions } from './lib/sessions'

export const proxy = protectProxy(sessions)

export const config = { matcher: '/((?!_next/).*)' }
