import { Controller, Get, Header, Post, Redirect, UseFilters } from '@nestjs/common'
import type { Session } from 'holdfast'
import { csrfField } from 'holdfast/html'
import { Authenticated, CurrentSession } from 'holdfast/nest'
import { ToLogin } from './to-login.filter.js'

interface Data {
  visits: number
}

// snippet: guard
@Controller('account')
@Authenticated()
@UseFilters(ToLogin)
export class AccountController {
  @Post('visits')
  @Redirect('/account', 303)
  visit(@CurrentSession() session: Session<Data>) {
    session.update('visits', (visits = 0) => visits + 1)
  }
  // /snippet

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  show(@CurrentSession() session: Session<Data>): string {
    return `<!doctype html><title>Your account</title>
      <h1>Hello ${session.userId?.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)}</h1>
      <p id="visits">${session.get('visits') ?? 0}</p>
      <form method="post" action="/account/visits">${csrfField(session)}<button>Count</button></form>
      <form method="post" action="/account/logout">${csrfField(session)}<button>Log out</button></form>`
  }

  @Post('logout')
  @Redirect('/', 303)
  logout(@CurrentSession() session: Session<Data>) {
    session.terminate()
  }
}
