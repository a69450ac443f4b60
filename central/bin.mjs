#!/usr/bin/env node
import { launch } from '../packaging/launch.mjs';

await launch(new URL('main.ts', import.meta.url));
