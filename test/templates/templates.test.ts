/** The field helpers, through the real template engines, with real sessions. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import ejs from 'ejs'
import nunjucks from 'nunjucks'
import { memory } from '../../src/engines/memory.ts'
import { bearer, createSessions, type RequestContext, type SessionsOptions } from '../../src/index.ts'
import { csrfField as ejsField } from '../../src/templates/ejs.ts'
import { csrfField } from '../../src/templates/html.ts'
import { csrfFieldProps } from '../../src/templates/jsx.ts'
import { csrfExtension } from '../../src/templates/nunjucks.ts'

const FIELD = /^<input type="hidden" name="csrf_token" value="([\w-]{86})">$/

describe('html', () => {
  test('writes a hidden field whose token the session takes', async () => {
    const session = await open()
    const [, token] = FIELD.exec(csrfField(session)) ?? []
    assert.ok(token)
    session.verifyCsrf(token)
  })

  test('each call writes another token, and each is good', async () => {
    const session = await open()
    const tokens = [1, 2, 3].map(() => FIELD.exec(csrfField(session))![1]!)
    assert.equal(new Set(tokens).size, 3)
    for (const token of tokens) session.verifyCsrf(token)
  })

  test('escapes whatever a token might hold one day', () => {
    const field = csrfField({ csrfToken: () => `"><script>'&` })
    assert.equal(field, '<input type="hidden" name="csrf_token" value="&quot;&gt;&lt;script&gt;&#39;&amp;">')
  })

  test('writes nothing with a bearer transport', async () => {
    assert.equal(csrfField(await open({ transport: bearer() })), '')
  })
})

describe('nunjucks', () => {
  for (const autoescape of [true, false]) {
    test(`{% csrf_token %} writes the field, with autoescape ${autoescape}`, async () => {
      const render = await nunjucksFor(autoescape)
      assert.match(render('{% csrf_token %}'), FIELD)
    })
  }

  const places: readonly [place: string, template: string, times: number][] = [
    ['a loop, another token each time', '{% for i in [1, 2, 3] %}{% csrf_token %}{% endfor %}', 3],
    ['a macro', '{% macro form() %}{% csrf_token %}{% endmacro %}{{ form() }}', 1],
    [
      'a call block',
      '{% macro form() %}{{ caller() }}{% endmacro %}{% call form() %}{% csrf_token %}{% endcall %}',
      1,
    ],
    ['an if', '{% if true %}{% csrf_token %}{% endif %}', 1],
    ['white-space control', 'a {%- csrf_token -%} b', 1],
  ]
  for (const [place, template, times] of places) {
    test(`works in ${place}`, async () => {
      const html = (await nunjucksFor(true))(template)
      const tokens = [...html.matchAll(/<input type="hidden" name="csrf_token" value="([\w-]{86})">/g)]
      assert.equal(new Set(tokens.map(([, token]) => token)).size, times)
    })
  }

  test('takes no arguments', async () => {
    const render = await nunjucksFor(true)
    assert.throws(() => render('{% csrf_token "x" %}'), /expected block end/)
  })

  test('outside of a request says so', () => {
    const environment = new nunjucks.Environment()
    environment.addExtension('csrf', csrfExtension(sessionsWith({})))
    assert.throws(() => environment.renderString('{% csrf_token %}', {}), /no request here/)
  })
})

describe('ejs', () => {
  test('<%- csrfField() %> writes the field of the current session', async () => {
    const sessions = sessionsWith({})
    const session = await sessions.open(request())
    const locals = { csrfField: ejsField(sessions) }
    assert.match(
      sessions.run(session, () => ejs.render('<%- csrfField() %>', locals)),
      FIELD,
    )
  })

  test('two requests at once get their own tokens', async () => {
    const sessions = sessionsWith({})
    const locals = { csrfField: ejsField(sessions) }
    const [one, other] = [await sessions.open(request()), await sessions.open(request())]
    const render = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return FIELD.exec(ejs.render('<%- csrfField() %>', locals))![1]!
    }
    const [token] = await Promise.all([sessions.run(one, render), sessions.run(other, render)])
    one.verifyCsrf(token)
    assert.throws(() => other.verifyCsrf(token), { code: 'ERR_CSRF_TOKEN_INVALID' })
  })
})

describe('jsx', () => {
  test('gives the attributes of the field', async () => {
    const session = await open()
    const { value, ...rest } = csrfFieldProps(session)
    assert.deepEqual(rest, { type: 'hidden', name: 'csrf_token' })
    session.verifyCsrf(value)
  })
})

function sessionsWith(options: Partial<SessionsOptions<Record<string, unknown>>>) {
  return createSessions({
    engine: memory(),
    keys: 'kG3m0Vq8p7s1x9Rr2LwYzTnB4cHfJdUe5aSoQiXbMvE',
    bindings: [],
    ...options,
  })
}

async function open(options: Partial<SessionsOptions<Record<string, unknown>>> = {}) {
  return sessionsWith(options).open(request())
}

async function nunjucksFor(autoescape: boolean) {
  const sessions = sessionsWith({})
  const session = await sessions.open(request())
  const environment = new nunjucks.Environment(null, { autoescape })
  environment.addExtension('csrf', csrfExtension(sessions))
  return (template: string) => sessions.run(session, () => environment.renderString(template, {}))
}

function request(): RequestContext {
  return {
    method: 'GET',
    origin: 'https://app.example',
    path: '/',
    search: '',
    ip: '192.0.2.1',
    now: Date.now(),
    header: () => null,
    field: () => null,
  }
}
