'use server'

import { protectAction } from 'holdfast/next'
import { refresh } from 'next/cache'
import { redirect } from 'next/navigation'
import { sessions } from '../lib/sessions'

// snippet: login
export const login = protectAction(sessions, async (session, form: FormData) => {
  const name = String(form.get('name'))
  if (form.get('password') !== 'correct horse') {
    session.loginFailed(name, 'password')
    redirect('/?wrong')
  }
  session.authenticate(name)
  redirect('/account')
})
// /snippet

export const visit = protectAction(sessions, async (session) => {
  session.require()
  session.update('visits', (visits = 0) => visits + 1)
  refresh()
})

export const logout = protectAction(sessions, async (session) => {
  session.terminate()
  redirect('/')
})
