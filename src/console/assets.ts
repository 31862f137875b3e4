/** The page's files, as the build has made them: a fixed list, read once. @module */

import { readFile } from 'node:fs/promises'
import { answer, refuse } from './answer.ts'

/** The same folder from the sources and from what is built. */
const FOLDER = new URL('../../dist/console/page/', import.meta.url)

interface Manifest {
  /** Content types by name; names hold a hash of the content. */
  readonly assets: Readonly<Record<string, string>>
}

interface Page {
  readonly index: Uint8Array<ArrayBuffer>
  readonly assets: ReadonlyMap<string, { readonly type: string; readonly content: Uint8Array<ArrayBuffer> }>
}

export interface Assets {
  index(): Promise<Response>
  /** @param name - one of the list, or there is none */
  asset(name: string): Promise<Response>
}

/** @param folder - where the page lies */
export function openAssets(folder: URL = FOLDER): Assets {
  let reading: Promise<Page | null> | undefined
  const read = () => {
    // Where it failed, perhaps it is being built.
    reading ??= readPage(folder).then((page) => {
      if (!page) reading = undefined
      return page
    })
    return reading
  }

  return {
    async index() {
      const page = await read()
      return page ? answer(200, 'text/html; charset=utf-8', page.index) : missing()
    },
    async asset(name) {
      const page = await read()
      const found = page?.assets.get(name)
      if (!page) return missing()
      if (!found) return refuse(404, 'ERR_NOT_FOUND', 'The console has no such file.')
      return answer(200, found.type, found.content, {
        'Cache-Control': 'private, max-age=31536000, immutable',
      })
    },
  }
}

async function readPage(folder: URL): Promise<Page | null> {
  try {
    const { assets } = JSON.parse(await readFile(new URL('manifest.json', folder), 'utf8')) as Manifest
    const files = Object.entries(assets).map(async ([name, type]) => {
      return [name, { type, content: await bytes(new URL(name, folder)) }] as const
    })
    return { index: await bytes(new URL('index.html', folder)), assets: new Map(await Promise.all(files)) }
  } catch (error) {
    console.error(`holdfast: the console's page can't be read: ${(error as Error).message}`)
    return null
  }
}

async function bytes(file: URL): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(file))
}

function missing(): Response {
  const message =
    "The console's page is not there: npm run build makes it; a bundler must leave holdfast/console out."
  return refuse(503, 'ERR_NO_PAGE', message)
}
