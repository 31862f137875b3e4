/** The page as HTML: made on the server, of plain forms; no script. @module */

import type { Millis } from '../core/duration.ts'
import { LONGEST_NAME } from '../core/queries.ts'
import { escapeHtml as text } from '../templates/escape.ts'
import type { DeviceList, DeviceSession } from './list.ts'
import { STYLE } from './style.ts'
import type { Clock, DeviceTexts } from './texts.ts'

/** What the page is made with. */
export interface Look {
  /** Where it is mounted. */
  readonly path: string
  readonly backUrl: string | null
  readonly lang: string
  readonly texts: DeviceTexts
  readonly clock: Clock
}

/** Something to say above the list. */
export interface Notice {
  readonly text: string
  readonly bad: boolean
}

/** @param csrfField - as HTML */
export function renderPage(
  look: Look,
  { sessions, fresh }: DeviceList,
  csrfField: string,
  now: Millis,
  notice: Notice | null,
): string {
  const { texts, path } = look
  const others = sessions.some(({ current }) => !current)
  return renderDocument(
    look,
    texts.title,
    `<p>${text(texts.intro)}</p>
${notice ? `<p class="notice${notice.bad ? ' bad' : ''}" role="${notice.bad ? 'alert' : 'status'}">${text(notice.text)}</p>` : ''}
${others && !fresh ? `<p class="dim">${text(texts.stale)}</p>` : ''}
<ul class="sessions">
${sessions.map((session) => renderSession(look, session, csrfField, now)).join('\n')}
</ul>
${
  others
    ? `<form class="others" method="post" action="${text(path)}/revoke">${csrfField}<input type="hidden" name="others" value="1">
<button class="danger">${text(texts.endOthers)}</button></form>`
    : ''
}`,
  )
}

/** A page that says why something was refused. */
export function renderRefusal(look: Look, code: string, message: string): string {
  const { texts, path } = look
  return renderDocument(
    look,
    texts.refused,
    `<p class="notice bad" role="alert">${text(message)}</p>
<p class="dim"><code>${text(code)}</code></p>
<p><a href="${text(path)}">${text(texts.title)}</a></p>`,
  )
}

function renderDocument({ lang, backUrl, texts }: Look, title: string, main: string): string {
  return `<!doctype html>
<html lang="${text(lang)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${backUrl === null ? '' : `<p><a href="${text(backUrl)}">${text(texts.back)}</a></p>`}
<h1>${text(title)}</h1>
${main}
</main>
</body>
</html>
`
}

/** Names stand isolated: one of them in Arabic must not turn the words beside it around. */
function renderSession(
  { path, texts, clock }: Look,
  { id, current, name, device, ip, seenAt, authenticatedAt, idleExpiresAt, remembered }: DeviceSession,
  csrfField: string,
  now: Millis,
): string {
  const what = name ?? device
  const hidden = `${csrfField}<input type="hidden" name="id" value="${text(id)}">`
  const moment = (at: Millis) =>
    `<time datetime="${new Date(at).toISOString()}" title="${text(clock.exact(at))}">${text(clock.relative(at, now))}</time>`
  const facts = [
    [texts.lastUsed, current ? text(texts.now) : moment(Math.min(seenAt, now))],
    [texts.loggedIn, moment(Math.min(authenticatedAt, now))],
    [texts.address, text(ip ?? texts.unknownAddress)],
    [texts.endsUnlessUsed, moment(idleExpiresAt)],
  ] as const
  return `<li data-id="${text(id)}"${current ? ' data-current' : ''}>
<h2><bdi>${text(what)}</bdi>${current ? ` <span class="badge">${text(texts.thisOne)}</span>` : ''}${
    remembered ? ` <span class="badge dim">${text(texts.remembered)}</span>` : ''
  }</h2>
${name === null ? '' : `<p class="dim">${text(device)}</p>`}
<dl>${facts.map(([term, value]) => `<div><dt>${text(term)}</dt><dd>${value}</dd></div>`).join('')}</dl>
<div class="acts">
<details><summary aria-label="${text(`${texts.rename}: ${what}`)}">${text(texts.rename)}</summary>
<form method="post" action="${text(path)}/rename">${hidden}
<label>${text(texts.name)} <small class="dim">${text(texts.nameHint)}</small>
<input type="text" name="name" maxlength="${LONGEST_NAME}" autocomplete="off" value="${text(name ?? '')}"></label>
<button>${text(texts.keep)}</button></form></details>
<form method="post" action="${text(path)}/revoke">${hidden}
<button${current ? '' : ` class="danger" aria-label="${text(`${texts.end}: ${what}`)}"`}>${text(current ? texts.logOut : texts.end)}</button></form>
</div>
</li>`
}
