import { test } from 'vitest';
import { kafkaMissing } from '../kafka/missing.ts';
import { resumeGroups } from './group-resume.ts';

if (kafkaMissing) console.log(`Skipped: ${kafkaMissing}`);

test.skipIf(kafkaMissing)(
  'a Java consumer group goes on at central where it stopped at its site, 0, 100 and 10 000 records behind',
  () => resumeGroups(10_500, [0, 100, 10_000]),
  300_000,
);
