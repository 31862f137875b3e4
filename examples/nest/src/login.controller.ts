import { Body, Controller, Get, Header, Post, Query, Redirect } from '@nestjs/common'
import type { Session } from 'holdfast'
import { csrfField } from 'holdfast/html'
import { CurrentSession } from 'holdfast/nest'

interface LoginForm {
  readonly name?: string
  readonly password?: string
}

@Controller()
export class LoginController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  home(@CurrentSession() session: Session, @Query('wrong') wrong?: string): string {
    if (session.userId !== null) return '<a href="/account">Your account</a>'
    return `<!doctype html><title>Holdfast and NestJS</title>
      ${wrong === undefined ? '' : '<p role="alert">Wrong name or password.</p>'}
      <form method="post" action="/login">
        ${csrfField(session)}
        <label>Name <input name="name" autocomplete="username"></label>
        <label>Password <input name="password" type="password" autocomplete="current-password"></label>
        <button>Log in</button>
      </form>`
  }

  @Get('api/me')
  me(@CurrentSession() session: Session) {
    return { user: session.userId }
  }

  // snippet: login
  @Post('login')
  @Redirect('/account', 303)
  login(@CurrentSession() session: Session, @Body() form: LoginForm) {
    if (form.password === 'correct horse' && form.name) {
      session.authenticate(form.name)
      return
    }
    session.loginFailed(form.name ?? null, 'password')
    return { url: '/?wrong' }
  }
  // /snippet
}
