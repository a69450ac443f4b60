import { lifeOfPackages } from './life.ts';

lifeOfPackages('trixie');
