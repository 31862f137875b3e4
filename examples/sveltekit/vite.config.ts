import adapter from '@sveltejs/adapter-node'
import { sveltekit } from '@sveltejs/kit/vite'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [
    sveltekit({
      adapter: adapter(),
      // Holdfast judges where a request comes from. SvelteKit's own check takes each for HTTPS, unless it is built for one origin.
      csrf: { trustedOrigins: ['*'] },
    }),
  ],
})
