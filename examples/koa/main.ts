import { app } from './app.ts'

const port = Number(process.env.PORT ?? 3000)
app.listen(port, 'localhost', () => console.log(`http://localhost:${port}, ada / analytical-engine`))
