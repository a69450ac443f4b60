import { describeBuffer } from '../../contract/buffer.ts';
import { fileHarness, openInline } from './buffer-harness.ts';

describeBuffer({ name: 'inline', open: (changes) => fileHarness(openInline, changes) });
