import { redirect } from '@sveltejs/kit'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = ({ locals: { session } }) => {
  if (session.userId === null) redirect(303, '/')
  return { user: session.userId, visits: session.get('visits') ?? 0 }
}

export const actions: Actions = {
  visit({ locals: { session } }) {
    session.require()
    session.update('visits', (visits = 0) => visits + 1)
  },
  logout({ locals: { session } }) {
    session.terminate()
    redirect(303, '/')
  },
}
