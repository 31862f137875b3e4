import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common'
import type { Response } from 'express'
import { SessionError } from 'holdfast'
import { SessionErrorFilter } from 'holdfast/nest'

/** Shows people the login form where they lack a session. */
@Catch(SessionError)
export class ToLogin extends SessionErrorFilter implements ExceptionFilter<SessionError> {
  override catch(error: SessionError, host: ArgumentsHost): void {
    if (error.code !== 'ERR_NOT_AUTHENTICATED') super.catch(error, host)
    else host.switchToHttp().getResponse<Response>().redirect(303, '/')
  }
}
