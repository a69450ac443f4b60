import { describeBuffer } from '../../contract/buffer.ts';
import { fileHarness, memoryHarness, openInline } from './buffer-harness.ts';

describeBuffer({ name: 'inline', open: (changes) => fileHarness(openInline, changes) });
describeBuffer({ name: 'in memory', open: memoryHarness });
