import type { NextConfig } from 'next'

const config: NextConfig = {
  // One holdfast for instrumentation, proxy and pages, as Node loads it.
  serverExternalPackages: ['holdfast'],
  turbopack: { root: import.meta.dirname },
}

export default config
