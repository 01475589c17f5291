import django.db.models.functions.text
import django.utils.timezone
from django.db import migrations, models

from config.migrating import CreateModels


class Migration(migrations.Migration):

    replaces = [
        ('identity', '0001_initial'),
        ('identity', '0002_elder_mode'),
    ]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        CreateModels(
            operations=[
                migrations.CreateModel(
                    name='User',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('password', models.CharField(max_length=128, verbose_name='password')),
                        ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                        ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                        ('email', models.EmailField(blank=True, max_length=254, null=True, unique=True, verbose_name='e-mail')),
                        ('phone', models.CharField(blank=True, max_length=16, null=True, unique=True, verbose_name='mobile number')),
                        ('phone_verified', models.BooleanField(default=False, verbose_name='mobile number verified')),
                        ('name', models.CharField(blank=True, max_length=80, verbose_name='name')),
                        ('language', models.CharField(default='zh-hans', max_length=10, verbose_name='language')),
                        ('is_staff', models.BooleanField(default=False, verbose_name='staff')),
                        ('is_active', models.BooleanField(default=True, verbose_name='active')),
                        ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='joined')),
                        ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                        ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
                        ('elder_mode', models.BooleanField(default=False, verbose_name='elder mode')),
                    ],
                    options={
                        'verbose_name': 'person',
                        'verbose_name_plural': 'people',
                        'constraints': [models.CheckConstraint(condition=models.Q(('email__isnull', False), ('phone__isnull', False), _connector='OR'), name='user_has_email_or_phone'), models.CheckConstraint(condition=models.Q(('email', django.db.models.functions.text.Lower('email')), ('email__isnull', True), _connector='OR'), name='user_email_is_lower_case')],
                    },
                ),
            ],
        ),
    ]
