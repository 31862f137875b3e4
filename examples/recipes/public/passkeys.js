import { startAuthentication, startRegistration } from '@simplewebauthn/browser'

const status = document.querySelector('[role=status]')

// snippet: page
async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}

document.querySelector('#sign-up').onclick = tell(async () => {
  const optionsJSON = await post('/sign-up/options', { name: document.querySelector('[name=name]').value })
  return post('/sign-up', await startRegistration({ optionsJSON }))
})

document.querySelector('#log-in').onclick = tell(async () => {
  const optionsJSON = await post('/log-in/options', {})
  return post('/log-in', await startAuthentication({ optionsJSON }))
})
// /snippet

function tell(work) {
  return async () => {
    try {
      const { userId } = await work()
      status.textContent = `Hello, ${userId}.`
    } catch (error) {
      status.textContent = `No: ${error.message}`
    }
  }
}
