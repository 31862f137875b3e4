import { fail, redirect } from '@sveltejs/kit'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = ({ locals }) => ({
  user: locals.session.userId,
  csrfToken: locals.session.csrfToken(),
})

// snippet: login
export const actions: Actions = {
  async default({ locals: { session }, request }) {
    const form = await request.formData()
    const name = String(form.get('name'))
    if (form.get('password') !== 'correct horse') {
      session.loginFailed(name, 'password')
      return fail(422, { wrong: true })
    }
    session.authenticate(name)
    redirect(303, '/account')
  },
}
// /snippet
