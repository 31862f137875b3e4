/** Logins by OpenID Connect: code flow with PKCE, state and nonce; logout at the provider, and by the provider. */

import express, { type Express } from 'express'
import type { AssuranceLevel, Sessions } from 'holdfast'
import { answerErrors, protect } from 'holdfast/express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oidc from 'openid-client'

// snippet: data
export interface OidcData {
  /** A login that has begun, and at the provider not ended yet. */
  pending: { state: string; nonce: string; verifier: string }
  /** For the provider, at the logout. */
  idToken: string
}
// /snippet

export interface OidcOptions {
  readonly issuer: URL
  readonly clientId: string
  readonly clientSecret: string
  /** Ours, such as `https://app.example`. */
  readonly origin: string
  /** For a provider on loopback. */
  readonly insecureHttp?: boolean
}

export async function oidcApp(sessions: Sessions<OidcData>, options: OidcOptions): Promise<Express> {
  const { issuer, clientId, clientSecret, origin, insecureHttp } = options
  const more = insecureHttp ? { execute: [oidc.allowInsecureRequests] } : {}
  const config = await oidc.discovery(issuer, clientId, clientSecret, undefined, more)
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri!))
  const app = express().use(express.urlencoded({ extended: false }), protect(sessions))

  // snippet: login
  app.get('/login', async (_req, res) => {
    const verifier = oidc.randomPKCECodeVerifier()
    const pending = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier }
    sessions.current().set('pending', pending) // of this browser alone, so that nobody logs in to another's
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: `${origin}/callback`,
      scope: 'openid',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    res.redirect(url.href)
  })

  app.get('/callback', async (req, res) => {
    const session = sessions.current()
    const pending = session.pop('pending') // a login is tried once
    if (!pending) return void res.status(400).send('No login has begun here: begin again.')
    const tokens = await oidc.authorizationCodeGrant(config, new URL(req.originalUrl, origin), {
      expectedState: pending.state,
      expectedNonce: pending.nonce,
      pkceCodeVerifier: pending.verifier,
      idTokenExpected: true,
    })
    const { sub, amr } = tokens.claims()!
    const methods = Array.isArray(amr) ? amr.map(String) : [] // what the provider says, and no more
    session.authenticate(sub, { methods, ...levelOf(methods) })
    session.set('idToken', tokens.id_token!)
    res.redirect('/')
  })
  // /snippet

  // snippet: logout
  app.post('/logout', (_req, res) => {
    const session = sessions.current()
    const idToken = session.get('idToken')
    session.terminate()
    const url = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: `${origin}/`,
      ...(idToken && { id_token_hint: idToken }),
    })
    res.redirect(303, url.href)
  })

  /** The provider says that its user is out: without a cookie, and with a signature. */
  app.post('/backchannel-logout', async (req, res) => {
    try {
      const { payload } = await jwtVerify(String(req.body?.logout_token), keys, {
        issuer: config.serverMetadata().issuer,
        audience: clientId,
        maxTokenAge: '2m',
        requiredClaims: ['sub', 'jti'],
      })
      const events = payload.events as Record<string, unknown> | undefined
      // An ID token is signed by the same key: it has a nonce, and no such event.
      if ('nonce' in payload || !events?.['http://schemas.openid.net/event/backchannel-logout'])
        return void res.sendStatus(400)
      await sessions.revoke({ userId: payload.sub! })
      res.set('Cache-Control', 'no-store').sendStatus(200)
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || !/^ERR_J/.test(String(error.code))) throw error
      res.sendStatus(400)
    }
  })
  // /snippet

  app.get('/', (_req, res) => {
    const { userId, methods, level } = sessions.current()
    res.json({ userId, methods, level })
  })
  app.use(answerErrors())
  // What the provider, or somebody in its name, answered: nothing of it is for the page.
  app.use(((error, _req, res, next) => {
    if (
      !(error instanceof oidc.ClientError) &&
      !(error instanceof oidc.AuthorizationResponseError) &&
      !(error instanceof oidc.ResponseBodyError)
    )
      return next(error)
    sessions.current().loginFailed(null, 'oidc')
    res.status(401).send('The login failed: begin again.')
  }) as express.ErrorRequestHandler)
  return app
}

/** Two kinds of factor are level 2, one is level 1; what nobody said is nothing. */
function levelOf(methods: readonly string[]): { level?: AssuranceLevel } {
  if (methods.length === 0) return {}
  const kinds = new Set(methods.map((method) => (method === 'pwd' || method === 'pin' ? 'knows' : 'has')))
  return { level: kinds.size > 1 || methods.includes('mfa') ? 2 : 1 }
}
