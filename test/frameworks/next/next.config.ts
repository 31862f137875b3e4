import { dirname } from 'node:path'

export default {
  serverExternalPackages: ['holdfast'],
  turbopack: { root: dirname(import.meta.dirname) },
  typescript: { ignoreBuildErrors: true },
  compress: false,
}
