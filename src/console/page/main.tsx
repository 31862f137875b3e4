/** Begins. @module */

import { render } from 'preact'
import { App } from './app.tsx'
import { applyTheme, readTheme } from './theme.tsx'

applyTheme(readTheme())
render(<App />, document.getElementById('root')!)
