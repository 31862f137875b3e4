import { Module } from '@nestjs/common'
import { createSessions } from 'holdfast'
import { memory } from 'holdfast/memory'
import { HoldfastModule } from 'holdfast/nest'
import { AccountController } from './account.controller.js'
import { LoginController } from './login.controller.js'

// snippet: module
const sessions = createSessions({ engine: memory() })

@Module({
  imports: [HoldfastModule.forRoot(sessions)],
  controllers: [LoginController, AccountController],
})
export class AppModule {}
// /snippet
