/** What `react-router-serve` is, less its compression, which has a word in each `Vary`. */

import { createRequestHandler } from '@react-router/express'
import express from 'express'
import * as build from './build/server/index.js'

const app = express()
app.disable('x-powered-by')
// Express adds a charset to each type.
app.use((_req, res, next) => {
  res.append = res.appendHeader
  next()
})
app.all('/{*path}', createRequestHandler({ build, mode: 'production' }))
app.listen(Number(process.env.PORT), process.env.HOST)
