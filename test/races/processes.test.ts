/** The races on one SQLite file. */

import { raceProcesses } from './processes.ts'
import { openFile } from './support.ts'

raceProcesses('one file', openFile)
