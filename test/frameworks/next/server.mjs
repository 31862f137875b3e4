/** What `next start` is, less the names that Next.js puts into every `Vary`: the scenarios are about ours. */

import { createServer } from 'node:http'
import next from 'next'

const OWN = /^(?:rsc|next-[\w-]+)$/

const app = next({ dev: false, dir: import.meta.dirname })
await app.prepare()
const handle = app.getRequestHandler()

createServer((req, res) => {
  const { writeHead } = res
  res.writeHead = (...args) => {
    const names = [res.getHeader('vary') ?? []].flat().flatMap((line) => line.split(/,\s*/))
    const left = names.filter((name) => !OWN.test(name.toLowerCase()))
    if (left.length > 0) res.setHeader('vary', left.join(', '))
    else res.removeHeader('vary')
    return writeHead.apply(res, args)
  }
  handle(req, res)
}).listen(Number(process.env.PORT), process.env.HOST)
