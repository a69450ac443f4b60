import { describeLanding } from '../../contract/landing.ts';
import { openInline } from './embedded-harness.ts';

describeLanding({
  name: 'embedded, inline',
  dense: true,
  retains: true,
  seams: true,
  open: openInline,
});
