import type { Session } from 'holdfast'
import type { Data } from './lib/server/sessions.ts'

declare global {
  namespace App {
    // snippet: types
    interface Locals {
      session: Session<Data>
    }
    // /snippet
  }
}
