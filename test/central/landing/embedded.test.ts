import { describeLanding } from '../../contract/landing.ts';
import { openInline, openThread } from './embedded-harness.ts';

describeLanding({ name: 'embedded, inline', dense: true, seams: true, open: openInline });
describeLanding({ name: 'embedded, on its thread', dense: true, seams: false, open: openThread });
