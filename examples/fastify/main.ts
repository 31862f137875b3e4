import { app } from './app.ts'

const port = Number(process.env.PORT ?? 3000)
await app.listen({ port, host: 'localhost' })
console.log(`http://localhost:${port}, ada / analytical-engine`)
