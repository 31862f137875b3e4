/** HTTPS for a machine of one's own. @module */

import type { RequestListener } from 'node:http'
import { generate } from 'selfsigned'

/** Makes a certificate that browsers warn of once, since nobody vouches for it. */
export async function createCertificate(address: string): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: address },
        ],
      },
    ],
  })
  return { key, cert }
}

/**
 * Answers on the plain port. Holdfast would serve plain HTTP here, since loopback counts as secure, for it as for
 * browsers; whoever asks for TLS wants to see what others get.
 */
export function redirectTo(address: string, port: number): RequestListener {
  return (request, response) => {
    const asked = /^(localhost|127\.0\.0\.1)(?::\d+)?$/.exec(request.headers.host ?? '')?.[1]
    const path = request.url?.startsWith('/') ? request.url : '/'
    if (request.method === 'GET' || request.method === 'HEAD') {
      response.writeHead(308, { Location: `https://${asked ?? address}:${port}${path}` }).end()
      return
    }
    const text = 'ERR_INSECURE_TRANSPORT: this came over plain HTTP, and was dropped. Use HTTPS.\n'
    response.writeHead(403, { 'Content-Type': 'text/plain' }).end(text)
  }
}
