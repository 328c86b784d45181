from ..unit.small_jobs import *
import time
def test_x():
    t=time.time()
    s=IonSettings(("+H","+Na","+K"),decoy_sample_size=5)
    db=[database(FORMULAS)]
    d=dataset(1,ions=planted(db,s,1))
    print('make',time.time()-t); t=time.time()
    j=SmallJob(d,db).run()
    print(time.time()-t)
    print(j.table("metrics.parquet").to_pandas() if 0 else j.table("metrics.parquet").select(["formula","modifier","is_target","chaos","spatial","spectral","msm","fdr"]).to_pylist())
    print(len(j.published()), j.table("annotations.parquet").num_rows)
    for k in (1,2):
        t=time.time(); k=SmallJob(d,db,{"planning":{"sort_task_peaks":200,"segment_peaks":200,"isotope_task_formulas":3}}).run(lambda t: [*t[::-1],*t])
        print(time.time()-t, {a:b==k.published()[a] for a,b in j.published().items() if b!=k.published()[a]})
    assert 0
