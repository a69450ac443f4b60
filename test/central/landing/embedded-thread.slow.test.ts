import { describeLanding } from '../../contract/landing.ts';
import { openThread } from './embedded-harness.ts';

describeLanding({
  name: 'embedded, on its thread',
  dense: true,
  retains: true,
  seams: false,
  open: openThread,
});
