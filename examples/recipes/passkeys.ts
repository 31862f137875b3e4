/** Passkeys: whoever signs up makes one, and logs in by it. */

import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type VerifiedAuthenticationResponse,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type WebAuthnCredential,
} from '@simplewebauthn/server'
import express, { type Express } from 'express'
import type { AuthenticateOptions, Sessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'

// snippet: data
export interface PasskeyData {
  /** What was asked of this browser: answered once, and soon. */
  challenge: { value: string; until: number; name?: string; userId?: string }
}
// /snippet

export interface Passkey extends WebAuthnCredential {
  readonly userId: string
}

export interface PasskeyOptions {
  /** Ours, such as `https://app.example`: a passkey is good for this one alone. */
  readonly origin: string
  /** By the id of the credential. */
  readonly passkeys: Map<string, Passkey>
}

export function passkeyApp(sessions: Sessions<PasskeyData>, { origin, passkeys }: PasskeyOptions): Express {
  const rpID = new URL(origin).hostname
  const expected = { expectedOrigin: origin, expectedRPID: rpID, requireUserVerification: true }
  const app = express()
  app.use('/public', express.static(fileURLToPath(new URL('public', import.meta.url))))
  app.use(
    '/simplewebauthn',
    express.static(dirname(fileURLToPath(import.meta.resolve('@simplewebauthn/browser')))),
  )
  app.use(express.json(), protect(sessions))

  // snippet: challenge
  const ask = (value: string, more: { name?: string; userId?: string } = {}) =>
    sessions.current().set('challenge', { value, until: Date.now() + 120_000, ...more })
  const asked = () => {
    const challenge = sessions.current().pop('challenge')
    return challenge && challenge.until > Date.now() ? challenge : null
  }
  // /snippet

  app.post('/sign-up/options', async (req, res) => {
    const [name, userId] = [String(req.body?.name), randomUUID()]
    const options = await generateRegistrationOptions({
      rpID,
      rpName: 'Holdfast',
      userName: name,
      userID: new TextEncoder().encode(userId),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    })
    ask(options.challenge, { name, userId })
    res.json(options)
  })

  app.post('/sign-up', async (req, res) => {
    const challenge = asked()
    if (!challenge?.userId) return void res.status(400).json('Begin again.')
    const { registrationInfo: found } = await verifyRegistrationResponse({
      response: req.body,
      expectedChallenge: challenge.value,
      ...expected,
    }).catch(() => ({ registrationInfo: undefined }))
    if (!found) return void res.status(401).json('The passkey could not be verified.')
    // Its id is no secret: whoever knows another's would take its place (Web Authentication §7.1, step 26).
    if (passkeys.has(found.credential.id)) return void res.status(409).json('This passkey is known already.')
    const { userId } = challenge
    passkeys.set(found.credential.id, { ...found.credential, userId })
    sessions.current().authenticate(userId, worthOf(found))
    return void res.json({ userId })
  })

  // snippet: login
  app.post('/log-in/options', async (_req, res) => {
    const options = await generateAuthenticationOptions({ rpID, userVerification: 'required' })
    ask(options.challenge)
    res.json(options)
  })

  app.post('/log-in', async (req, res) => {
    const session = sessions.current()
    const challenge = asked()
    const passkey = passkeys.get(String(req.body?.id))
    const verified =
      challenge && passkey && (await verify(req.body, challenge.value, passkey).catch(() => null))
    if (!verified) {
      session.loginFailed(passkey?.userId ?? null, 'passkey')
      return void res.status(401).json('The passkey could not be verified.')
    }
    passkeys.set(passkey.id, { ...passkey, counter: verified.newCounter })
    session.authenticate(passkey.userId, worthOf(verified))
    return void res.json({ userId: passkey.userId })
  })

  /** @returns null where the signature, the challenge, the origin or the counter is wrong, or nobody was verified */
  async function verify(
    response: Parameters<typeof verifyAuthenticationResponse>[0]['response'],
    challenge: string,
    credential: Passkey,
  ) {
    const options = { response, expectedChallenge: challenge, credential, ...expected }
    const { verified, authenticationInfo } = await verifyAuthenticationResponse(options)
    return verified ? authenticationInfo : null
  }

  type Proof = Pick<
    VerifiedAuthenticationResponse['authenticationInfo'],
    'credentialDeviceType' | 'userVerified'
  >

  /** RFC 8176: a key of hardware that stays on its device, or one that is synced. With a PIN or a finger, two factors. */
  function worthOf({ credentialDeviceType, userVerified }: Proof): AuthenticateOptions {
    const key = credentialDeviceType === 'singleDevice' ? 'hwk' : 'swk'
    return { methods: [key], level: userVerified ? 2 : 1 }
  }
  // /snippet

  app.get('/', (_req, res) => res.sendFile(fileURLToPath(new URL('public/passkeys.html', import.meta.url))))
  app.get('/session', (_req, res) => {
    const { userId, methods, level } = sessions.current()
    res.json({ userId, methods, level })
  })
  app.post('/logout', (_req, res) => {
    sessions.current().terminate()
    res.json({})
  })
  return app.use(answerErrors())
}
