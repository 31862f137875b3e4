/** An address that is being typed. @module */

/**
 * The block of addresses that begin with what was typed, so that `203.0.` searches before the rest is there.
 * @returns what is no beginning as it is: a whole address, a block, or what the server will not understand
 */
export function blockOf(typed: string): string {
  const parts = typed.replace(/\.$/, '').split('.')
  if (parts.length < 4 && parts.every(isByte)) {
    const zeros = Array.from({ length: 4 - parts.length }, () => '0')
    return `${[...parts, ...zeros].join('.')}/${parts.length * 8}`
  }
  const groups = typed.replace(/:$/, '').split(':')
  if (groups.length < 8 && typed.includes(':') && groups.every(isGroup))
    return `${groups.join(':')}::/${groups.length * 16}`
  return typed
}

function isByte(part: string): boolean {
  return /^\d{1,3}$/.test(part) && Number(part) < 256
}

function isGroup(group: string): boolean {
  return /^[\da-f]{1,4}$/i.test(group)
}
